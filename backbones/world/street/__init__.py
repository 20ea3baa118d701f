"""The street: a world in which what left the view comes back, with the truth of every frame."""
