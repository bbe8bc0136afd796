"""What a browser says of the page that it shows: its weight, how far things jumped, and when something was painted."""

from lab.kit.browser import Browser

# Returns [how many texts were loaded (page, styles, scripts), their bytes as they are unpacked].
WEIGH = """
const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
const texts = loaded.filter(entry => !/\\.(svg|png|webp|ico)$/.test(entry.name))
return [texts.length, texts.reduce((sum, entry) => sum + entry.decodedBodySize, 0)]
"""
# Returns the sum of the layout shifts (https://web.dev/articles/cls) that no press of a key or button brought.
JUMPS = """
let sum = 0
const add = entries => { for (const entry of entries) if (!entry.hadRecentInput) sum += entry.value }
const observer = new PerformanceObserver(list => add(list.getEntries()))
observer.observe({ type: "layout-shift", buffered: true })
const drawn = () => new Promise(requestAnimationFrame)
return drawn().then(drawn).then(drawn).then(() => { add(observer.takeRecords()); observer.disconnect(); return sum })
"""
PAINTED = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


def weigh(browser: Browser) -> tuple[int, int]:
    """Returns how many texts the page has loaded, and their bytes; pictures do not count."""
    texts, weight = browser.run(WEIGH)
    return int(texts), int(weight)


def jumps(browser: Browser) -> float:
    """Returns the layout shifts since the page was opened, all of them: never less than what Lighthouse says."""
    return float(browser.run(JUMPS))


def painted_ms(browser: Browser) -> float | None:
    """Returns after how many milliseconds the first text or picture was there."""
    found: float | None = browser.run(PAINTED)
    return found
