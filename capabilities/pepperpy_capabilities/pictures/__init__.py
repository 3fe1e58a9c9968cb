"""Pictures of answers, as SVG or PNG; they need the extra ``pictures``."""
