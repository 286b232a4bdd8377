// Tables that can be put in order by their columns.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

export interface Order {
  readonly by: string;
  readonly isDescending: boolean;
}

export function useOrder(by: string, isDescending = false): readonly [Order, (by: string) => void] {
  const [order, setOrder] = useState<Order>({ by, isDescending });
  return [order, (next) => setOrder((before) => ({ by: next, isDescending: before.by === next ? !before.isDescending : false }))];
}

export function inOrder<T>(rows: readonly T[], { isDescending }: Order, keyOf: (row: T) => number | string): T[] {
  const sign = isDescending ? -1 : 1;
  return rows
    .map((row) => [keyOf(row), row] as const)
    .sort(([a], [b]) => (a < b ? -sign : a > b ? sign : 0))
    .map(([, row]) => row);
}

interface SortHeadProps {
  readonly name: string;
  readonly order: Order;
  readonly onOrder: (by: string) => void;
  readonly children: ComponentChildren;
  readonly class?: string;
}

export function SortHead({ name, order, onOrder, children, class: className }: SortHeadProps) {
  const isOn = order.by === name;
  return (
    <th scope="col" class={className} aria-sort={isOn ? (order.isDescending ? 'descending' : 'ascending') : 'none'}>
      <button type="button" class="sort" onClick={() => onOrder(name)}>
        {children}
        <span aria-hidden="true">{isOn ? (order.isDescending ? '↓' : '↑') : ''}</span>
      </button>
    </th>
  );
}
