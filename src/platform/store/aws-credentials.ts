import { defaultProvider } from '@aws-sdk/credential-provider-node';
import type { AwsCredentials } from './sigv4.ts';

/**
 * What requests are signed with, asked for each time: `credentials` where they are given, else the SDK's own chain
 * (environment, profile, container, instance), which keeps them and fetches new ones before they expire. Without a
 * client of the SDK around it, it loads in a sixth of the time and of the memory.
 */
export const awsCredentials = ({
  region,
  credentials,
}: {
  region: string;
  credentials?: AwsCredentials | undefined;
}): (() => Promise<AwsCredentials>) => {
  if (credentials) return async () => credentials;
  const chain = defaultProvider({ clientConfig: { region } });
  return async () => {
    const { accessKeyId, secretAccessKey, sessionToken } = await chain();
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  };
};
