"""short-drama backend: film stills in, new film stills out, as durable tasks over HTTP."""
