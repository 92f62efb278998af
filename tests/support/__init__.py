"""What tests share: servers, containers, projects, and how long to wait. No test is in here."""
