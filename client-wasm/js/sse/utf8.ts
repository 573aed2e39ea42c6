// The form of texts in header fields.

/** The UTF-8 bytes of a text, one character each: header values take nothing else. */
export const utf8 = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text));
