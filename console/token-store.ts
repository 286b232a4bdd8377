// Where the token is kept: in this page's memory, and in the tab's session storage only if its owner asked for that.

const KEY = 'cloister.token';

export const rememberedToken = (): string | null => {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
};

export function rememberToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

export function forgetToken(): void {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Storage is closed to this page, so there is nothing in it.
  }
}
