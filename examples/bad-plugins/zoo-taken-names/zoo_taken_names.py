"""Brings models under names that are taken: `conv-vae` is bundled, `broad-vae` is in zoo-torch-at-import."""

from zoo import hookimpl

MODELS = {
    "conv-vae": {"extends": "vae", "summary": "Another model of that name."},
    "broad-vae": {"extends": "vae", "summary": "Another model of that name."},
}


@hookimpl
def zoo_registry():
    return {"models": MODELS}
