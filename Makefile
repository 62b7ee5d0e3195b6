UV ?= .venv/bin/uv
.venv/bin/uv:
	python3 -m venv .venv && .venv/bin/pip install -q "uv>=0.13,<0.14"
