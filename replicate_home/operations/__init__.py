"""What each call of the API asks and how its response is read, one file a resource. Pure."""
