# The installer for Windows is on its way.

& { throw 'This service has no installer for Windows yet.' }
