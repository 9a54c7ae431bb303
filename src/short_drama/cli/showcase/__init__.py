"""What `short-drama demo` shows: photographs, five tasks, their checks, and the contact sheet."""
