"""Pictures of products are seen in the admin, and not only their addresses."""

import pytest

from goods.models import Goods
from lab.kit import factories
from lab.kit.admin_site import add_url, list_url, make_operator, page_url, sign_in

pytestmark = pytest.mark.django_db

FIRST, SECOND = "/static/catalogue/goods-1-1.svg", 'https://pictures.example/"2".png'
ESCAPED = "https://pictures.example/&quot;2&quot;.png"


def picture(address: str) -> str:
    return f'<img class="thumbnail" src="{address}" alt="" loading="lazy">'


def test_list_shows_the_first_picture_and_the_page_all() -> None:
    goods = factories.make_goods(1)
    factories.make_goods(2)
    Goods.objects.filter(goods_id=1).update(head_imgs=[FIRST, SECOND])
    client = sign_in(make_operator())

    listed = client.get(list_url(Goods)).content.decode()
    page = client.get(page_url(goods)).content.decode()

    assert picture(FIRST) in listed
    assert listed.count('class="thumbnail"') == 1
    assert f"{picture(FIRST)} {picture(ESCAPED)}" in page


def test_new_product_has_none_yet() -> None:
    page = sign_in(make_operator()).get(add_url(Goods))

    assert page.status_code == 200
    assert 'class="thumbnail"' not in page.content.decode()
