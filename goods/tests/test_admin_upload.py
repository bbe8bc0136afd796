"""Pictures of products and covers of rooms, uploaded in the admin."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from goods import services
from goods.models import Goods, Room
from lab.kit import factories
from lab.kit.admin_site import add_url, fields_of, make_operator, page_url, sign_in
from lab.kit.interleaving import Parked

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = str(tmp_path)
    return tmp_path


@pytest.fixture
def client() -> Client:
    return sign_in(make_operator())


def upload(content: bytes | None = None) -> SimpleUploadedFile:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(file, "JPEG")
    return SimpleUploadedFile("../../evil.php", content or file.getvalue(), "image/jpeg")


def fields(client: Client, url: str) -> dict[str, Any]:
    """What stands in a form."""
    form = client.get(url).context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    values |= {f"{name}_{part}": "" for name in ("sale_starts_at", "sale_ends_at", "started_at") for part in (0, 1)}
    return {name: value for name, value in values.items() if value is not None}


def stored(address: str, folder: Path) -> Image.Image:
    return Image.open(io.BytesIO((folder / address.removeprefix("/media/")).read_bytes()))


def test_picture_is_added_to_those_of_a_product(client: Client, folder: Path) -> None:
    goods = factories.make_goods(1, head_imgs=["/static/a.svg"])

    sent = client.post(page_url(goods), {**fields(client, page_url(goods)), "upload": upload()})

    assert sent.status_code == 302
    first, second = Goods.objects.get().head_imgs
    assert first == "/static/a.svg"
    assert stored(second, folder).format == "WEBP"
    assert f'src="{second}"' in client.get(page_url(goods)).content.decode()
    assert client.get(second).status_code == 200


def test_picture_comes_behind_those_that_others_have_added_meanwhile(client: Client) -> None:
    goods = factories.make_goods(1, head_imgs=["/static/a.svg"])
    page = fields_of(client, goods)
    services.change_goods(goods_id=1, values={"head_imgs": ["/static/a.svg", "/static/b.svg"]}, actor="another")

    assert client.post(page_url(goods), {**page, "upload": upload()}).status_code == 302

    *before, last = Goods.objects.get().head_imgs
    assert before == ["/static/a.svg", "/static/b.svg"]
    assert client.get(last).status_code == 200


def test_picture_of_a_product_that_somebody_deletes_at_this_moment_does_not_stay(client: Client, folder: Path) -> None:
    goods = factories.make_goods(1)
    data = {**fields_of(client, goods), "upload": upload()}

    with Parked(lambda: client.post(page_url(goods), data, follow=True), at="^BEGIN|FOR UPDATE") as sending:
        assert len(list(folder.iterdir())) == 1
        services.delete_goods(goods_ids=[1], actor="another")
        messages = [str(message) for message in sending.go().context["messages"]]

    assert messages == ["There is no product 1."]
    assert Goods.objects.get().head_imgs == []
    assert list(folder.iterdir()) == []


def test_new_product_has_the_picture_that_came_with_it(client: Client, folder: Path) -> None:
    data = fields(client, add_url(Goods)) | {"goods_id": "7", "title": "Cup", "price": "5"}

    assert client.post(add_url(Goods), {**data, "upload": upload()}).status_code == 302

    (address,) = Goods.objects.get().head_imgs
    assert stored(address, folder).size == (40, 30)


def test_uploaded_cover_takes_the_place_of_the_one_before(client: Client, folder: Path) -> None:
    room = factories.make_room(1, cover="/static/cover.svg")

    sent = client.post(page_url(room), {**fields(client, page_url(room)), "upload": upload()})

    assert sent.status_code == 302
    assert stored(Room.objects.get().cover, folder).format == "WEBP"


def test_what_is_no_picture_changes_nothing_and_is_told_at_its_field(client: Client, folder: Path) -> None:
    goods = factories.make_goods(1)
    data = fields(client, page_url(goods)) | {"title": "Another"}

    page = client.post(page_url(goods), {**data, "upload": upload(b"<svg/>")})

    assert page.context["adminform"].errors == {"upload": ["This is no picture in JPEG, PNG or WebP."]}
    assert Goods.objects.get().title == "Goods 1"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("price", {"price": "x"}),
        (
            "sale_ends_at",
            {
                **{"sale_starts_at_0": "2026-06-02", "sale_starts_at_1": "12:00:00"},
                **{"sale_ends_at_0": "2026-06-01", "sale_ends_at_1": "12:00:00"},
            },
        ),
    ],
)
def test_picture_beside_a_wrong_field_is_not_stored(
    client: Client, folder: Path, field: str, typed: dict[str, str]
) -> None:
    goods = factories.make_goods(1)
    data = fields(client, page_url(goods)) | typed

    page = client.post(page_url(goods), {**data, "upload": upload()})

    assert list(page.context["adminform"].errors) == [field]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("model", [Goods, Room])
def test_picture_of_what_there_is_already_is_not_stored(client: Client, folder: Path, model: Any) -> None:
    factories.make_goods(7)
    factories.make_room(7)
    data = fields(client, add_url(model)) | {"goods_id": "7", "room_id": "7", "title": "Cup", "price": "5"}

    assert client.post(add_url(model), {**data, "upload": upload()}).status_code == 200

    assert list(folder.iterdir()) == []


def test_without_a_folder_nobody_uploads(client: Client, folder: Path, settings: Any) -> None:
    settings.MEDIA_ROOT = ""
    goods, room = factories.make_goods(1), factories.make_room(1)

    for row in (goods, room):
        assert 'type="file"' not in client.get(page_url(row)).content.decode()
    client.post(page_url(goods), {**fields(client, page_url(goods)), "upload": upload()})

    assert Goods.objects.get().head_imgs == []
    assert list(folder.iterdir()) == []


def test_who_may_only_look_is_offered_no_upload() -> None:
    looks = sign_in(make_operator(may_change=False))

    for row in (factories.make_goods(1), factories.make_room(1)):
        page = looks.get(page_url(row))
        assert page.status_code == 200
        assert 'type="file"' not in page.content.decode()
