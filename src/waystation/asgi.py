"""The server's entry: `uvicorn waystation.asgi:application`."""

import os
import warnings

from django.core.asgi import get_asgi_application

from waystation.cli.health.lifeline import hang_on

hang_on()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "waystation.settings")
# static files are read from disk in small pieces; Django warns that their iterator is synchronous
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
application = get_asgi_application()

from waystation.console.warming import warm  # noqa: E402  # settings are loaded by now

warm()
