"""Commands for people and builds; never part of what Lambda gets."""
