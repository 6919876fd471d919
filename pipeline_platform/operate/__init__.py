"""Running the platform: taking in what upstreams have, replaying what failed, telling the operator how things stand."""
