# The page in a container, on the CPU:
#   docker build -t elastic . && docker run --rm -p 7860:7860 elastic
# With an NVIDIA GPU and a real LLaVA, its weights kept in a volume of their own:
#   docker build -t elastic --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
#   docker run --rm -p 7860:7860 --gpus all -v elastic-models:/home/user/.cache/huggingface \
#     -e ELASTIC_MODEL=llava-hf/llava-1.5-7b-hf elastic
# ELASTIC_MODEL is what `app.py --model` takes; unset means the pocket-llava of assets/, which needs no download.
# ELASTIC_DTYPE is what `--dtype` takes.
FROM python:3.12-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

# Dependencies alone: this layer is built again only when they change. What the tests need is left out.
WORKDIR /tmp/install
COPY requirements.txt .
RUN pip install --index-url "$TORCH_INDEX" torch==2.13.0 \
    && sed -i '/^# tests/,$d' requirements.txt \
    && pip install -r requirements.txt

# User 1000 as Hugging Face's Docker Spaces run it; the folders exist first, so that a new volume is the user's.
RUN useradd --create-home --uid 1000 user \
    && install --directory --owner=user --group=user /home/user/app /home/user/.cache /home/user/.cache/huggingface
USER 1000
ENV HOME=/home/user \
    HF_HOME=/home/user/.cache/huggingface \
    PYTHONUNBUFFERED=1 \
    GRADIO_ANALYTICS_ENABLED=False \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860
WORKDIR $HOME/app
COPY --chown=user . .
VOLUME /home/user/.cache/huggingface

EXPOSE 7860
# Of the port that the page is told: `docker run -e GRADIO_SERVER_PORT=8080`. Weights may have to be fetched first.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30m --start-interval=5s CMD ["python", "-m", "page.health"]
CMD ["python", "app.py"]
