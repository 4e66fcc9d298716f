"""ConnectWise PSA: tickets, configurations, people, agreements and time of a service desk."""
