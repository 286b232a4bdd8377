// Which page is shown: the part of the address behind #, which no server is ever sent.

import { useEffect, useState } from 'preact/hooks';

const parts = (): readonly string[] => {
  const path = location.hash.replace(/^#\/?/, '');
  return path === '' ? ['overview'] : path.split('/').map(decode);
};

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const linkTo = (...path: readonly string[]): string => `#/${path.map(encodeURIComponent).join('/')}`;

export function goTo(...path: readonly string[]): void {
  location.hash = linkTo(...path);
}

export function useLocation(): readonly string[] {
  const [path, setPath] = useState(parts);
  useEffect(() => {
    const listen = (): void => setPath(parts());
    addEventListener('hashchange', listen);
    return () => removeEventListener('hashchange', listen);
  }, []);
  return path;
}
