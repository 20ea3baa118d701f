"""The street: a world in which figures leave the view and return, with exact ground truth."""
