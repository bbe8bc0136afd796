"""Orders that ended long ago leave the database for files; what their rows proved stays proved."""
