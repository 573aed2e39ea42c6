// The links between the pages keep what this page's address says of the room and of the way to the server.

for (const link of document.querySelectorAll(".top nav a")) link.search = location.search;
