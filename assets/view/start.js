// Start: the view on its own, fed with the component's values. The lesson, which brings its runs along, has another.

readPresenting();
readWanted();
watch('value', read);
read();
