// Frame: what the page or the file around a script hands to it. Nothing else names it.

export const frame = { element, props, watch, trigger, server: typeof server === 'undefined' ? null : server };
