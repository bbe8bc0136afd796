"""What the API's documentation shows of stock."""

STOCK = {"goods_id": "1", "available": 100, "reserved": 0, "sold": 0, "version": 1}
STOCKS = {"stock": [STOCK], "next": None, "previous": None}
