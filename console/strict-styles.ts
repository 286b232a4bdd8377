// The terminal writes style sheets and style attributes, which the page's policy refuses. Here they become what it allows: sheets of
// the document and properties of elements. Nothing else on the page makes either.

const XHTML = 'http://www.w3.org/1999/xhtml';

/** Once, before the first terminal. */
export function keepStylesStrict(): void {
  const create = (name: string): HTMLElement => (name === 'style' ? sheetElement() : document.createElementNS(XHTML, name.toLowerCase()));
  Object.defineProperty(document, 'createElement', { value: create, configurable: true });
  const { prototype } = HTMLSpanElement;
  Object.defineProperty(prototype, 'setAttribute', {
    configurable: true,
    value(this: HTMLSpanElement, name: string, value: string) {
      if (name === 'style') this.style.cssText = value;
      else Element.prototype.setAttribute.call(this, name, value);
    },
  });
}

/** Stands in for a style element: its text is a sheet of the document, as long as it is there. */
function sheetElement(): HTMLElement {
  const element = document.createElementNS(XHTML, 'template');
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  let current = '';
  Object.defineProperty(element, 'textContent', {
    get: () => current,
    set: (text: string) => {
      current = text;
      sheet.replaceSync(text);
    },
  });
  Object.defineProperty(element, 'remove', {
    value: () => {
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
      Element.prototype.remove.call(element);
    },
  });
  return element;
}
