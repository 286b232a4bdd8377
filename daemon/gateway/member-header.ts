// How a member of a fleet marks what it passes on to another: it is answered or refused there, and never passed on again.

export const MEMBER_HEADER = 'x-cloister-member';
