type Listeners<E> = { [K in keyof E]?: Set<(event: E[K]) => void> };

/** Events by name. What a listener throws reaches the page's own error handler and nobody else. */
export class Emitter<E> {
  #listeners: Listeners<E> = {};

  on<K extends keyof E>(name: K, listener: (event: E[K]) => void): () => void {
    const listeners = (this.#listeners[name] ??= new Set());
    // Each registration is its own, also of one function twice.
    const own = (event: E[K]) => listener(event);
    listeners.add(own);
    return () => listeners.delete(own);
  }

  emit<K extends keyof E>(name: K, event: E[K]): void {
    for (const listener of [...(this.#listeners[name] ?? [])]) {
      try {
        listener(event);
      } catch (error) {
        // Thrown where nothing of ours is on the stack.
        setTimeout(() => {
          throw error;
        });
      }
    }
  }
}
