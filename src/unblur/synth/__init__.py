"""How pictures go bad: camera response, exposure, trajectories of camera and objects, scenes. Knows no network."""
