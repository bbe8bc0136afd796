"""What the API's documentation shows of rooms and goods, as they are in the demo."""

A_ROOM = {
    "room_id": "1",
    "title": "Slow Mornings, Good Kitchens",
    "host_name": "Lin Xiaoman",
    "cover": "/static/catalogue/room-1.svg",
    "status": "live",
    "started_at": "2026-06-01T11:30:00Z",
    "current_goods_id": "1",
}
ROOMS = {"rooms": [A_ROOM], "next": "/api/rooms?after=1&limit=1", "previous": None}
A_PRODUCT = {
    "goods_id": "1",
    "category_id": "101",
    "brand_name": "Mosswick",
    "status": 0,
    "status_label": "on sale",
    "title": "Morning Mist Stoneware Mug",
    "price": 9950,
    "market_price": 12900,
    "brief": "Thrown by hand with a running glaze, so no two are alike.",
    "head_imgs": ["/static/catalogue/goods-1-1.svg"],
    "limit_per_buyer": 0,
    "sale_starts_at": None,
    "sale_ends_at": None,
}
GOODS_OF_A_ROOM = {"room_id": "1", "current_goods_id": "1", "goods": [A_PRODUCT]}
ALL_OF_A_PRODUCT = {
    **A_PRODUCT,
    "code": "690100000001",
    "videos": [],
    "detail": ["Made from a blend of kaolin and coarse stoneware clay, fired at 1260 °C."],
    "ext_json": {"capacity": "350 ml", "material": "Stoneware"},
}
