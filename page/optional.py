"""What programs may leave out of a call: what they do not know yet stands as if it were not there."""

import gradio as gr


class OptionalText(gr.Textbox):
    """A text that came to an endpoint later than programs that call it."""

    is_template = True  # drawn as what it derives from
    may_be_missing = True
