"""How pictures go bad: camera response, exposure, paths of camera and objects, scenes. Knows no network."""
