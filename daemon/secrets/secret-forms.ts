// How a value may look in output: itself and what common tools make of it. Pure.
// Not here: compression, encryption, other alphabets, base64 that is wrapped in the middle of a value. Whoever holds a
// value can always hide it; this catches what happens by accident and by habit.

/** A shorter form would be found where it is not meant. */
const MIN_FORM_BYTES = 4;

export function formsOf(value: Buffer): Buffer[] {
  const text = value.toString('utf8');
  const forms = new Set<string>([text]);
  // A terminal writes a line end as two characters.
  forms.add(text.replaceAll(/\r?\n/g, '\r\n'));
  forms.add(value.toString('hex'));
  forms.add(value.toString('hex').toUpperCase());
  for (const form of urlForms(text)) forms.add(form);
  for (const form of jsonForms(text)) forms.add(form);
  for (const form of base64Forms(value)) forms.add(form);
  return [...forms].map((form) => Buffer.from(form, 'utf8')).filter((form) => form.length >= MIN_FORM_BYTES);
}

function urlForms(text: string): string[] {
  const component = encodeURIComponent(text);
  const strict = component.replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
  const upper = [component, strict, strict.replaceAll('%2F', '/'), strict.replaceAll('%20', '+'), encodeURI(text)];
  return upper.flatMap((form) => [form, form.replaceAll(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())]);
}

function jsonForms(text: string): string[] {
  const json = JSON.stringify(text).slice(1, -1);
  const ascii = json.replaceAll(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return [json, ascii].flatMap((form) => [form, form.replaceAll('/', '\\/')]);
}

/** At each of the three places a value may have in a text that was encoded as a whole; of the characters that it alone decides. */
function base64Forms(value: Buffer): string[] {
  const forms: string[] = [];
  for (const before of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(before), value])
      .toString('base64')
      .replace(/=+$/, '');
    const first = Math.ceil((before * 8) / 6);
    const last = Math.floor(((before + value.length) * 8) / 6);
    const own = text.slice(first, last);
    forms.push(own, own.replaceAll('+', '-').replaceAll('/', '_'));
  }
  // At the end of a text the last character is decided as well.
  const whole = value.toString('base64').replace(/=+$/, '');
  forms.push(whole, whole.replaceAll('+', '-').replaceAll('/', '_'));
  return forms;
}
