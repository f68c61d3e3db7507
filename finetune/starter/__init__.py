"""Floor 8: how the bundled starter base is made. `python -m finetune.starter` (or `make starter`) builds it anew.

The starter base is a small Llama-architecture chat model of our own, pre-trained on text that this package
generates. It is there to learn the kit, to test it, and to try the loop offline; it knows next to nothing.
The weights lie in finetune/starter/base, which finetune.resources finds; nothing imports this package to use them.
"""
