# The console and the worker in one image. Worker: docker run --no-healthcheck … worker module:yard --queues email

FROM python:3.12-slim AS build
WORKDIR /build
RUN python -m venv /opt/taskyard
COPY requirements-image.lock ./
RUN /opt/taskyard/bin/pip install --no-cache-dir --require-hashes -r requirements-image.lock
COPY . .
RUN /opt/taskyard/bin/pip install --no-cache-dir --no-deps .
# Templates are compiled once here, as whoever runs the console may not write beside them.
RUN cd / && /opt/taskyard/bin/python -c "from dashboard import ConsoleSettings, create_app, rendering; \
    rendering.load_templates(create_app(ConsoleSettings()))"

FROM python:3.12-slim
COPY --from=build /opt/taskyard /opt/taskyard
ENV PATH=/opt/taskyard/bin:$PATH PYTHONUNBUFFERED=1
# An application's own modules, for workers, go here.
WORKDIR /app
# For TASKYARD_USERS_FILE=/users/users.json, on a volume.
RUN mkdir -m 700 /users && chown 10001:10001 /users
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["taskyard"]
CMD ["console", "--host", "0.0.0.0"]
