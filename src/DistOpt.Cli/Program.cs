return await DistOpt.DistOptApp.RunAsync(args);
