"""What `strongroom doctor` looks at, by subject. Each check answers findings; none shows a value."""
