"""What goes out: requests, mails, and the portal's files wherever they are kept."""
