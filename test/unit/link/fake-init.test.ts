import { linkContract } from '../../contract/link-contract.ts';
import { fakeLink } from './fake-link.ts';

linkContract('the fake init', fakeLink);
