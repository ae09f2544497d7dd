"""The commands of `placerwatch`: each parses, calls one function and prints."""
