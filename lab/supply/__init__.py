"""What production is made of: packages by hash, images by digest, and what is known against them."""
