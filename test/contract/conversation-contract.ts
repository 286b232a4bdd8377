// The conversation that documents the protocol goes as it is written, with every daemon.

import { expect, test } from 'vitest';
import { ConversationPlayer, conversation } from '../support/conversation.ts';

export interface DaemonUnderTest {
  readonly url: string;
  readonly token: string;
}

export function conversationContract(kind: string, underTest: () => Promise<DaemonUnderTest>): void {
  test(`the documented conversation goes as it is written (${kind})`, async () => {
    const { url, token } = await underTest();
    using player = new ConversationPlayer(url, token);
    for (const step of conversation()) {
      const { expected, actual } = await player.play(step);
      expect({ step, actual }).toEqual({ step, actual: expected });
    }
  });
}
