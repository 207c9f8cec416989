"""What `zoo new` writes: a plugin that works as it stands, from a name and a kind of part."""
