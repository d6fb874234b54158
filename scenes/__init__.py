"""Emoji scenes and what can be asked about them: drawn anew from a seed, with every answer known."""

from scenes.scene import Plate, Scene, Thing, random_scene, render

__all__ = ["Plate", "Scene", "Thing", "random_scene", "render"]
