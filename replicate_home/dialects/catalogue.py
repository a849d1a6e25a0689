"""The models that Replicate's homepage is known to run, with short names and versions.

The lower-case names are those of the provider's class attributes. The homepage needs a model's version, so it runs only
what is in ``KNOWN``.
"""

from __future__ import annotations

default_model = "google-deepmind/gemma-2b-it"
default_image_model = "stability-ai/stable-diffusion-3"
text_models = [default_model]
image_models = [
    default_image_model,
    "bytedance/sdxl-lightning-4step",
    "playgroundai/playground-v2.5-1024px-aesthetic",
]
models = text_models + image_models

model_aliases = {
    "sd-3": "stability-ai/stable-diffusion-3",
    "sdxl": "bytedance/sdxl-lightning-4step",
    "playground-v2.5": "playgroundai/playground-v2.5-1024px-aesthetic",
    "gemma-2b": "google-deepmind/gemma-2b-it",
}
EARLIER_ALIASES = {
    "flux-schnell": "black-forest-labs/flux-schnell",
    "llama-3-70b": "meta/meta-llama-3-70b-instruct",
    "mixtral-8x7b": "mistralai/mixtral-8x7b-instruct-v0.1",
    "llava-13b": "yorickvp/llava-13b",
    "stable-diffusion-3": "stability-ai/stable-diffusion-3",
    "sdxl-lightning-4step": "bytedance/sdxl-lightning-4step",
    "playground-v2.5-aesthetic": "playgroundai/playground-v2.5-1024px-aesthetic",
}

# Every version that the homepage has run, the one to use first; the first four models are current.
KNOWN: dict[str, tuple[str, ...]] = {
    "stability-ai/stable-diffusion-3": ("527d2a6296facb8e47ba1eaf17f142c240c19a30894f437feee9b91cc29d8e4f",),
    "bytedance/sdxl-lightning-4step": ("5f24084160c9089501c1b3545d9be3c27883ae2239b6f412990e82d4a6210f8f",),
    "playgroundai/playground-v2.5-1024px-aesthetic": (
        "a45f82a1382bed5c7aeb861dac7c7d191b0fdf74d8d57c4a0e6ed7d4d0bf7d24",
    ),
    "google-deepmind/gemma-2b-it": ("dff94eaf770e1fc211e425a50b51baa8e4cac6c39ef074681f9e39d778773626",),
    "black-forest-labs/flux-schnell": ("f2ab8a5bfe79f02f0789a146cf5e73d2a4ff2684a98c2b303d1e1ff3814271db",),
    "yorickvp/llava-13b": ("80537f9eead1a5bfa72d5ac6ea6414379be41d4d4f6679fd776e9535d1eb58bb",),
    "meta/meta-llama-3-70b-instruct": (
        "fbfb20b472b2f3bdd101412a9f70a0ed4fc0ced78a77ff00970ee7a2383c575d",
        "dp-cf04fe09351e25db628e8b6181276547",
    ),
    "mistralai/mixtral-8x7b-instruct-v0.1": (
        "5d78bcd7a992c4b793465bcdcf551dc2ab9668d12bb7aa714557a21c1e77041c",
        "dp-89e00f489d498885048e94f9809fbc76",
    ),
    "stability-ai/sdxl": (
        "39ed52f2a78e934b3ba6e2a89f5b1c712de7dfea535525255b1aa35c5565e08b",
        "2b017d9b67edd2ee1401238df49d75da53c523f36e363881e057f5dc3ed3c5b2",
        "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc",
    ),
    "ai-forever/kandinsky-2.2": ("ad9d7879fbffa2874e1d909d1d37d9bc682889cc65b31f7bb00d2362619f194a",),
    "meta/llama-2-70b-chat": ("dp-542693885b1777c98ef8c5a98f2005e7",),
    "mistralai/mistral-7b-instruct-v0.2": ("dp-89e00f489d498885048e94f9809fbc76",),
    "mistralai/mistral-7b-instruct-v0.1": ("83b6a56e7c828e667f21fd596c338fd4f0039b46bcfa18d973e8e70e455fda70",),
}
model_versions = {model: versions[0] for model, versions in KNOWN.items()}

_FULL_NAMES = {
    short.casefold(): full
    for short, full in {**{model: model for model in KNOWN}, **EARLIER_ALIASES, **model_aliases}.items()
}


def resolve_alias(name: str) -> str | None:
    """The full name that ``name`` stands for, in upper or lower case, or None if it is unknown.

    The full name of a known model stands for itself.
    """
    return _FULL_NAMES.get(name.strip().casefold())


def suggestion(name: str) -> str:
    """What to write instead of ``name``, as the end of an error message."""
    full_name = resolve_alias(name)
    if full_name:
        return f"write {full_name!r}"
    from difflib import get_close_matches  # only mistakes need it

    close = get_close_matches(name.strip().casefold()[:100], _FULL_NAMES, n=1, cutoff=0.6)
    if close:
        return f"did you mean {_FULL_NAMES[close[0]]!r}?"
    return f"the homepage runs {', '.join(models)}"
