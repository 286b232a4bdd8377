// `cloister/computesdk`: a provider for ComputeSDK.

export { cloister, type CloisterProviderConfig } from './provider.ts';
