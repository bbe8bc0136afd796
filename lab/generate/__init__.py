"""What is made from the code and committed: gRPC code, translations, lists, the diagram of the tables, pictures."""
