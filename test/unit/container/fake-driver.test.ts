// The fake engine keeps the contract of the real one, and its test controls do what they say.
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { FakeDriver } from '../../../daemon/testing/fake-driver.ts';
import { driverContract } from '../../contract/driver-contract.ts';

const fake = new FakeDriver();
fake.addImage('contract:1');
let serial = 0;

driverContract('fake', () => ({
  driver: fake,
  image: 'contract:1',
  rootFileSystem: () => Readable.from([Buffer.alloc(1024)]),
  name: () => `contract-${(serial += 1)}`,
}));

test('an injected failure hits the named call, once', async () => {
  const driver = new FakeDriver();
  driver.failNext('ping', new Error('engine gone'));
  await expect(driver.ping()).rejects.toThrow('engine gone');
  await expect(driver.ping()).resolves.toBeUndefined();
});

test('inspect can be altered behind the caller', async () => {
  const driver = new FakeDriver();
  driver.addImage('contract:1');
  const id = await driver.createContainer({ Image: 'contract:1', HostConfig: { CapDrop: ['ALL'] } }, 'altered');
  driver.alterInspect((inspect) => ({ ...inspect, HostConfig: { ...inspect.HostConfig, Privileged: true } }));
  expect((await driver.inspect(id)).HostConfig.Privileged).toBe(true);
});
