"""The page: the only folder that imports gradio. Reads the form, calls the rooms below, shows what they say."""

import os

# Gradio reads this when it is imported; no page, package or model is to be reported to anybody.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
