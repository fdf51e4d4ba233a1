"""Recipes with other values."""

from unblur.training.recipe import Recipe


def changed(recipe: Recipe, **changes: object) -> Recipe:
    """A recipe with other values; a key of `data` or `objective` is found there, and these may be given whole."""
    values = recipe.model_dump()
    for section in ("data", "objective"):
        values[section] = changes.pop(section, values[section])
    for key, value in changes.items():
        place = next((values[section] for section in ("data", "objective") if key in values[section]), values)
        place[key] = value
    return Recipe.model_validate(values)
