using DistOpt.Core.Specs;
using static DistOpt.Core.Tests.Specs.TestCatalogs;

namespace DistOpt.Core.Tests.Specs;

public sealed class SpecTemplatesTests
{
    [Fact]
    public void The_template_reads_back_as_the_default_spec()
    {
        var text = SpecTemplates.Init(Binder);

        Assert.Equal(SpecWriter.Write(Binder.Default()), SpecWriter.Write(Binder.ParseTraining(text)));
        Assert.Matches(@"\n  hidden: \[256, 128\] +# Sizes of the hidden layers; between 1 and 100000\n", text);
        Assert.Matches(@"\n  kind: adam +# sgd, adam, adamw\n", text);
        Assert.Matches(@"\n  gradient_shards: auto +# ", text);
        Assert.Matches(@"\n  target: null +# Stop when a metric reaches a bound; { metric, at_least, at_most }\n", text);
    }

    [Fact]
    public void The_template_has_the_chosen_data_set_and_model()
    {
        var spec = Binder.ParseTraining(SpecTemplates.Init(Binder, "csv", "cnn", ["data.path=my table.csv", "model.channels=8"]));

        Assert.Equal(("csv-cnn", "csv", "cnn"), (spec.Name, spec.Data.Kind, spec.Model.Kind));
        Assert.Equal("my table.csv", spec.Data.OptionsAs<CsvOptions>().Path);
        Assert.Equal(8, spec.Model.OptionsAs<CnnOptions>().Channels);
        Assert.Equal(["model.kind: model 'cn' is not known. Available: mlp, cnn, linear. Did you mean 'cnn'?"],
            Errors(() => SpecTemplates.Init(Binder, null, "cn")));
    }
}
