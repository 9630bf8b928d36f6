"""The server's entry: `uvicorn waystation.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "waystation.settings")
application = get_asgi_application()
