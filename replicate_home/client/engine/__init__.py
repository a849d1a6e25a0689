"""What the clients own and everything else uses: settings, routes, connections, and how a call is done."""
